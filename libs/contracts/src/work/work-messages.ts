import { Type, type Static } from 'typebox';

/** A group of members that share tasks: discovery's `discovery_group`, as `discovery_config` allows it. */
const GroupName = Type.String({ minLength: 1, maxLength: 253, pattern: '^[\\p{L}\\p{N} ._@/:-]+$' });

/** What a task is about, such as an account and a region. The same text is the same task, whoever offers it. */
const TaskName = Type.String({ minLength: 1, maxLength: 256, pattern: '^[^\\p{Cc}\\p{Cs}]+$' });

/** Milliseconds since 1970 at which a time slot begins. */
const SlotStart = Type.Integer({ minimum: 0, maximum: 8_640_000_000_000_000 });

/** Milliseconds between a second and a day. */
const SlotLength = Type.Integer({ minimum: 1_000, maximum: 86_400_000 });

/** The tasks of a time slot, from one of those who know them; the second and every later offer of a task adds nothing. */
export const WorkOffer = Type.Object({
  group: GroupName,
  slotMs: SlotLength,
  /** Only the slot that the server's time is in is taken. */
  slot: SlotStart,
  tasks: Type.Array(TaskName, { maxItems: 500, uniqueItems: true }),
});
export type WorkOffer = Static<typeof WorkOffer>;

/** `now` is the server's time, by which members tell slots. Nothing was queued when `slot` is another than the offered one. */
export const WorkOfferReply = Type.Object({ now: Type.Integer(), slot: SlotStart, queued: Type.Integer() });
export type WorkOfferReply = Static<typeof WorkOfferReply>;

/** Asks for one task of a group; the answer comes when there is one, or after `waitMs`. */
export const WorkTake = Type.Object({
  group: GroupName,
  waitMs: Type.Integer({ minimum: 0, maximum: 10_000 }),
});
export type WorkTake = Static<typeof WorkTake>;

/** A task in somebody's hands. `attempt` grows with each time it is handed out: what belongs to an older one is refused. */
export const WorkDelivery = Type.Object({
  group: GroupName,
  slot: SlotStart,
  task: TaskName,
  attempt: Type.Integer({ minimum: 1 }),
});
export type WorkDelivery = Static<typeof WorkDelivery>;

/** Without `delivery` there was nothing to do. It is lost `leaseMs` after it was taken or last extended. */
export const WorkTakeReply = Type.Object({
  leaseMs: Type.Integer(),
  delivery: Type.Optional(WorkDelivery),
});
export type WorkTakeReply = Static<typeof WorkTakeReply>;

/** How a delivery ended: `returned` gives it back unfinished, as a member does that shuts down, and is no failure. */
export const WorkSettle = Type.Interface([WorkDelivery], {
  outcome: Type.Union([Type.Literal('done'), Type.Literal('failed'), Type.Literal('returned')]),
  reason: Type.Optional(Type.String({ maxLength: 1_000 })),
  /** What the work found. It is stored and shown, so nothing secret belongs here. */
  result: Type.Optional(Type.Unknown()),
});
export type WorkSettle = Static<typeof WorkSettle>;

/** Asks how a group is doing. */
export const WorkStatusRequest = Type.Object({ group: GroupName });

/** The latest run of a task. `dropped` means that its slot was over before anybody could do it. */
export const WorkTaskStatus = Type.Object({
  task: Type.String(),
  slot: SlotStart,
  state: Type.Union([
    Type.Literal('offered'),
    Type.Literal('taken'),
    Type.Literal('done'),
    Type.Literal('failed'),
    Type.Literal('dropped'),
  ]),
  attempt: Type.Integer(),
  /** Agent id of who has it or had it last. */
  holder: Type.Optional(Type.String()),
  /** Milliseconds since 1970. */
  endedAt: Type.Optional(Type.Integer()),
  reason: Type.Optional(Type.String()),
  result: Type.Optional(Type.Unknown()),
});
export type WorkTaskStatus = Static<typeof WorkTaskStatus>;

/** Members that offered lately, and the latest run of each task; `last` is its latest that ended, where it is not that one. */
export const WorkStatus = Type.Object({
  now: Type.Integer(),
  members: Type.Array(Type.String()),
  tasks: Type.Array(Type.Interface([WorkTaskStatus], { last: Type.Optional(WorkTaskStatus) })),
  /** True when the group has more tasks than fit into one message. */
  isPart: Type.Boolean(),
});
export type WorkStatus = Static<typeof WorkStatus>;
