import { command, optional } from '@postern/cli';
import { AppError, failure, sha256Hex } from '@postern/core';
import { staticToken } from '../tokens/static-tokens.ts';

const TokenNeeded = failure('invalid_argument', 'tctl.token_needed', () => 'Need an argument: token');

const TokenNotFound = failure(
  'not_found',
  'tctl.token_not_found',
  (token: string) => `token ${token} not found`,
);

const TokenIsStatic = failure(
  'failed_precondition',
  'tctl.token_is_static',
  (name: string) =>
    `token ${name} is static: take it out of auth_service.tokens in the teleport.yaml of the control plane, or out of ` +
    `POSTERN_STATIC_TOKENS_FILE of join-svc, and start that anew; tctl lock --token=${name} stops it at once`,
);

export const tokensRm = command({
  name: 'tokens rm',
  aliases: ['del'],
  summary: 'Remove a join token, by itself or as tokens ls shows it',
  args: { token: optional('The token') },
  flags: {},
  async run(context, { args }) {
    const { token } = args;
    if (!token) throw TokenNeeded();
    const api = await context.api();
    await api.resources.delete('token', token).catch(async (error: unknown) => {
      if (!(error instanceof AppError) || error.kind !== 'not_found') throw error;
      const known = (await api.staticTokens()).map(staticToken);
      const names = [token, staticToken({ id: sha256Hex(token), roles: [] }).metadata.name];
      const found = known.find(({ metadata }) => names.includes(metadata.name));
      throw found ? TokenIsStatic.from(error, found.metadata.name) : TokenNotFound.from(error, token);
    });
    context.terminal.print(`Token ${token} has been deleted`);
  },
});
