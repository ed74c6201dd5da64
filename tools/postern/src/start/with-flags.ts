import { readAddress, type TeleportConfig } from '@postern/config';
import { UsageError } from '@postern/cli';

/** What the command line says instead of the file. */
export interface StartFlags {
  readonly token: string | undefined;
  readonly caPins: readonly string[] | undefined;
  readonly nodename: string | undefined;
  readonly diagAddr: string | undefined;
  readonly pidFile: string | undefined;
  readonly debug: boolean;
}

/** The configuration with the flags in it: a flag wins over the file. */
export function withFlags(config: TeleportConfig, flags: StartFlags): TeleportConfig {
  const { teleport } = config;
  const join =
    flags.token === undefined
      ? teleport.join
      : { method: teleport.join?.method ?? 'token', tokenName: flags.token };
  return {
    ...config,
    teleport: {
      ...teleport,
      join,
      caPins: flags.caPins ?? teleport.caPins,
      nodename: flags.nodename ?? teleport.nodename,
      diagAddr: flags.diagAddr === undefined ? teleport.diagAddr : diagAddress(flags.diagAddr),
      pidFile: flags.pidFile ?? teleport.pidFile,
      log: flags.debug ? { ...teleport.log, severity: 'debug' } : teleport.log,
    },
  };
}

function diagAddress(text: string): NonNullable<TeleportConfig['teleport']['diagAddr']> {
  try {
    return readAddress(text);
  } catch (error) {
    throw UsageError.from(error, `--diag-addr ${JSON.stringify(text)} must be like host:port`);
  }
}
