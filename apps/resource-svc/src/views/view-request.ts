import type { Bus, BusMessage } from '@postern/bus';
import { fromSubjectToken } from '@postern/contracts';
import type { HeldIdentity } from '@postern/identity';
import type { Telemetry } from '@postern/telemetry';
import type { ViewStore } from './open-view.ts';

/** What answers agents about views. */
export interface ServeViewsDeps extends ViewStore {
  readonly bus: Bus;
  /** Says which authorities certify agents. */
  readonly identity: Pick<HeldIdentity, 'trust'>;
  readonly telemetry: Telemetry;
}

/** Who asks. The bus lets an agent speak under its own id only. */
export function agentOf({ subject }: BusMessage): string {
  return fromSubjectToken(subject.split('.')[1]!);
}
