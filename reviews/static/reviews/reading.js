// Adds to the page of one interview: everybody's evidence, marked where it stands.
// The page can be read without it.

import { showOpinions } from "./opinions.js";

showOpinions();
