import { connectBus } from '@postern/bus';
import { delay, untilSignalled } from '@postern/core';
import { joinGroup, type RunResult } from '@postern/work-groups';

/** What a member process is told, as JSON in its only argument. */
export interface MemberSettings {
  readonly servers: string;
  readonly agentId: string;
  readonly group: string;
  readonly slotMs: number;
  readonly tasks: readonly string[];
  /** How long a run takes, in milliseconds; -1 for one that ends only when it is aborted. */
  readonly runMs: number;
  /** Whether a run goes on when it is aborted. */
  readonly isDeaf?: boolean;
}

/** A line that a member process writes. */
export interface MemberNote {
  readonly what: 'start' | RunResult['outcome'];
  readonly member: string;
  readonly slot: number;
  readonly task: string;
  readonly attempt: number;
  readonly at: number;
}

if (import.meta.main) {
  const { servers, agentId, group, slotMs, tasks, runMs, isDeaf } = JSON.parse(
    process.argv[2]!,
  ) as MemberSettings;
  const note = (
    what: MemberNote['what'],
    { slot, task, attempt }: Pick<MemberNote, 'slot' | 'task' | 'attempt'>,
  ) =>
    process.stdout.write(
      `${JSON.stringify({ what, member: agentId, slot, task, attempt, at: Date.now() })}\n`,
    );
  await using bus = await connectBus({ servers, name: agentId });
  await using _member = joinGroup(bus, {
    agentId,
    group,
    slotMs,
    tasksOf: () => tasks,
    async run(task, { slot, attempt, signal }) {
      note('start', { slot, task, attempt });
      await delay(runMs < 0 ? 600_000 : runMs, isDeaf === true ? undefined : signal);
      return { by: agentId };
    },
    onResult: (result) => note(result.outcome, result),
  });
  await untilSignalled();
}
