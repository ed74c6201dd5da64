/** Whether an object of a list may be seen. */
type Decide = (namespace: string, name: string) => boolean;

// Of all filters together; about a hundred bytes each.
const maxRemembered = 200_000;
let count = 0;
/** Grows whenever everything is forgotten. */
let generation = 0;

/**
 * Decides about each object once, as far as there is room: the same objects come with every list and watch. The answer must
 * not depend on anything but the two names.
 */
export function remembered(decide: Decide): Decide {
  let answers = new Map<string, Map<string, boolean>>();
  let current = generation;
  let lastNamespace: string | undefined;
  let last = new Map<string, boolean>();
  const select = (namespace: string) => {
    if (current !== generation) answers = new Map();
    current = generation;
    lastNamespace = namespace;
    last = answers.get(namespace) ?? new Map();
    answers.set(namespace, last);
  };
  return (namespace, name) => {
    // Lists come sorted by namespace.
    if (namespace !== lastNamespace || current !== generation) select(namespace);
    const known = last.get(name);
    if (known !== undefined) return known;
    const answer = decide(namespace, name);
    if (count >= maxRemembered) {
      generation += 1;
      count = 0;
      select(namespace);
    }
    last.set(name, answer);
    count += 1;
    return answer;
  };
}
