"""A small codebook and passages for tests of coders."""

from coding.coders import CodeGuide, DimensionGuide, Guide, Passage

GUIDE = Guide(
    "AI at work",
    (
        DimensionGuide(
            "worries",
            "Worries",
            "many",
            (
                CodeGuide(
                    "job_loss",
                    "Loss of work",
                    definition="The participant worries that AI takes away jobs or income.",
                    examples=("I am afraid there will be no work left for people like me.",),
                ),
                CodeGuide(
                    "unreliability",
                    "Unreliability",
                    definition="The participant worries that answers are wrong or invented.",
                    examples=("It makes things up and I have to check every detail.",),
                ),
                CodeGuide(
                    "privacy",
                    "Privacy",
                    definition="The participant worries about who sees the data.",
                    examples=("I do not know who can read what I type in.",),
                ),
            ),
            question="Which worries does the participant voice?",
        ),
        DimensionGuide(
            "stance",
            "Stance",
            "one",
            (
                CodeGuide("welcoming", "Welcoming", examples=("I love working with it.",)),
                CodeGuide("rejecting", "Rejecting", examples=("I want nothing to do with it.",)),
            ),
        ),
        DimensionGuide(
            "trust",
            "Trust",
            "scale",
            (CodeGuide("trust", "Trust"),),
            minimum=0,
            maximum=100,
            low="I do not believe a word it says.",
            high="I trust it completely.",
        ),
    ),
)


def passage(*turns: str, language: str = "en", only: int | None = None, key: str = "1") -> Passage:
    """Return an interview: turns by interviewer and participant in turn; `only` one is coded."""
    text, rows = "", []
    for number, words in enumerate(turns):
        role = ("interviewer", "participant")[number % 2]
        label = f"{role.capitalize()}: "
        start = len(text) + len(label)
        rows.append((start, start + len(words), role, role))
        text += f"{label}{words}\n\n"
    text = text.rstrip("\n")
    start, end = rows[only][:2] if only is not None else (0, len(text))
    return Passage(text, rows, start, end, language, key)
