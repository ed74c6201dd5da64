/** docs/authorization.md: who may call which operation. */
export async function authorizationPage(): Promise<string> {
  return '# Authorization\n';
}
