import { type LogField, renderJson, renderText } from './log-record.ts';

/** Log levels, from the most to the least talkative. */
export const logLevels = ['debug', 'info', 'warn', 'error'] as const;

/** One of the log levels. */
export type LogLevel = (typeof logLevels)[number];

/** How a record is written: JSON for machines, text for a terminal. */
export type LogFormat = 'json' | 'text';

/** What a record says besides its message. A `Secret` prints as `***`. */
export type LogFields = Readonly<Record<string, LogField>>;

/** Writes one record per call. Messages are constant sentences; what varies goes into the fields. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

interface LoggerOptions {
  readonly name: string;
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly write: (line: string) => void;
  readonly now: () => Date;
  /** Told of every warning and error, whatever the level is. */
  readonly onTrouble?: (at: Date, message: string) => void;
}

/** A logger that renders records of its level and above and hands them to `write`, one line each. */
export function makeLogger({ name, level, format, write, now, onTrouble }: LoggerOptions): Logger {
  const render = format === 'json' ? renderJson : renderText;
  const threshold = logLevels.indexOf(level);
  const at =
    (own: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (own === 'warn' || own === 'error') onTrouble?.(now(), message);
      if (logLevels.indexOf(own) < threshold) return;
      write(render({ at: now(), level: own, name, message, fields }));
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
