import { firstValue, type QueryPairs } from '../request/query.ts';
import type { RequestInfo } from '../request/request-info.ts';

/** What an exec or attach asks for. */
export interface CommandRequest {
  readonly container: string;
  readonly command: readonly string[];
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/**
 * Reads the query of an exec or attach as the API server converts it to PodExecOptions: of each parameter the first value
 * counts, and for a truth value everything but nothing, `0` and `false` is true.
 */
export function commandRequestOf({ query }: Pick<RequestInfo, 'query'>): CommandRequest {
  const isTrue = (name: string) => {
    const value = firstValue(query, name);
    return value !== undefined && value !== '0' && value.toLowerCase() !== 'false';
  };
  const tty = isTrue('tty');
  return {
    container: firstValue(query, 'container') ?? '',
    command: query.filter(([key]) => key === 'command').map(([, value]) => value),
    stdin: isTrue('stdin'),
    stdout: isTrue('stdout'),
    // A terminal has one output.
    stderr: isTrue('stderr') && !tty,
    tty,
  };
}

/** The query that says the same in one way, so that no server behind reads it differently. */
export function commandQuery({ container, command, ...flags }: CommandRequest): QueryPairs {
  return [
    ...(container === '' ? [] : [['container', container] as const]),
    ...command.map((part) => ['command', part] as const),
    ...Object.entries(flags).flatMap(([name, isOn]) => (isOn ? [[name, 'true'] as const] : [])),
  ];
}
