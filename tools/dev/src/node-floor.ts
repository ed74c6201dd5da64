/** Fails a test run on a Node that cannot run the product: vitest started by hand would silently use the system's. */
export function setup(): void {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 26)
    throw new Error(
      `tests run on the pinned Node 26, this is ${process.version}: use npm test, or npx vitest`,
    );
}
