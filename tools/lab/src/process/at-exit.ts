const pending = new Set<() => void>();

// One listener for all: Node warns of a leak when a process has more than ten.
process.on('exit', () => {
  for (const action of pending) action();
});

/** Runs an action when this process exits by itself, unless the returned function has been called before. */
export function atExit(action: () => void): () => void {
  pending.add(action);
  return () => pending.delete(action);
}
