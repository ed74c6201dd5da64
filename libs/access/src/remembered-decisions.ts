/** Whether an object of a list may be seen. */
type Decide = (namespace: string, name: string) => boolean;

// Of all filters together; about a hundred and fifty bytes each.
const maxRemembered = 200_000;
let count = 0;
/** Grows whenever everything is forgotten. */
let generation = 0;

/**
 * Decides about each object once, as far as there is room: the same objects come with every list and watch. The answer must
 * not depend on anything but the two names.
 */
export function remembered(decide: Decide): Decide {
  let answers = new Map<string, Answers>();
  let current = generation;
  let lastNamespace: string | undefined;
  let last = new Answers();
  const select = (namespace: string) => {
    if (current !== generation) answers = new Map();
    current = generation;
    lastNamespace = namespace;
    last = answers.get(namespace) ?? new Answers();
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

interface Remembered {
  readonly name: string;
  readonly answer: boolean;
  /** The one that was asked about after this one, the last time. */
  next: Remembered | undefined;
}

/**
 * Answers by name. The next name is guessed first, since a list comes in the same order again, and to compare two names costs a
 * twentieth of finding one in a large map.
 */
class Answers {
  readonly #byName = new Map<string, Remembered>();
  #at: Remembered | undefined;

  get(name: string): boolean | undefined {
    const guess = this.#at?.next;
    const found = guess?.name === name ? guess : this.#byName.get(name);
    if (found) this.#goTo(found);
    return found?.answer;
  }

  set(name: string, answer: boolean): void {
    const added: Remembered = { name, answer, next: undefined };
    this.#byName.set(name, added);
    this.#goTo(added);
  }

  #goTo(remembered: Remembered): void {
    if (this.#at) this.#at.next = remembered;
    this.#at = remembered;
  }
}
