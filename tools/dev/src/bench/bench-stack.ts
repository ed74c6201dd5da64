import { type SeparateStack, startSeparately } from '@postern/testkit';

/** Every service in a process of its own, without the bound on how much one user may ask for. It ends with the scope. */
export async function startBenchStack(folder: string, scope: AsyncDisposableStack): Promise<SeparateStack> {
  return scope.use(await startSeparately(folder, 1, { env: { POSTERN_USER_MAX_RATE: '0' } }));
}
