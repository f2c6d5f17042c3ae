// One tab at a time writes; another one only shows, and takes over when its person says so.

/**
 * Call `mine()` when this tab may write and `others()` when another one does. The first to come
 * has it; when it is closed the next one gets it. `take()` takes it from the other at once.
 */
export function oneTab(name, { mine, others }) {
  if (!navigator.locks) {
    mine(); // plain HTTP: the server's versions still keep tabs from writing over each other
    return { take: () => {} };
  }
  let have = false;
  function hold(options) {
    navigator.locks.request(name, options, () => {
      have = true;
      mine();
      return new Promise(() => {});
    }).catch(() => {
      have = false;
      others();
      hold({}); // and wait in line again
    });
  }
  hold({});
  // A page that is being left lets go in a moment: only then is it another tab.
  setTimeout(() => { if (!have) others(); }, 400);
  return { take: () => hold({ steal: true }) };
}
