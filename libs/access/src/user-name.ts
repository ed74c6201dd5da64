/** Who may have roles, as far as a certificate tells. */
export interface Named {
  readonly type: string;
  readonly id: string;
}

/**
 * The name of the user whose roles a principal has. The bot `x` is the user `bot-x`: a bot and a person of the same name
 * are two, and neither has what the other was given. Agents and services have no user.
 */
export function userNameOf({ type, id }: Named): string | undefined {
  if (type === 'user') return id;
  return type === 'bot' ? `bot-${id}` : undefined;
}
