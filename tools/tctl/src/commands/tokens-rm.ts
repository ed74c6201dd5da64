import { command, optional } from '@postern/cli';
import { AppError, failure } from '@postern/core';

const TokenNeeded = failure('invalid_argument', 'tctl.token_needed', () => 'Need an argument: token');

const TokenNotFound = failure(
  'not_found',
  'tctl.token_not_found',
  (token: string) => `token ${token} not found`,
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
    await api.resources.delete('token', token).catch((error: unknown) => {
      throw error instanceof AppError && error.kind === 'not_found'
        ? TokenNotFound.from(error, token)
        : error;
    });
    context.terminal.print(`Token ${token} has been deleted`);
  },
});
