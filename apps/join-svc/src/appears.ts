/** Subscribes to changes; answers how to stop. */
export type OnChange = (listener: () => void) => () => void;

/**
 * What `find` finds now, or as soon as a change brings it, or undefined after `ms` milliseconds. What was recorded by one
 * service reaches another a moment later; people and scripts use a thing right after they made it.
 */
export function appears<T>(
  onChange: OnChange,
  find: () => T | undefined,
  ms: number,
): Promise<T | undefined> {
  const found = find();
  if (found !== undefined || ms <= 0) return Promise.resolve(found);
  return new Promise((resolve) => {
    const end = (value: T | undefined) => {
      clearTimeout(timer);
      stop();
      resolve(value);
    };
    const timer = setTimeout(() => end(undefined), ms);
    const stop = onChange(() => {
      const value = find();
      if (value !== undefined) end(value);
    });
  });
}
