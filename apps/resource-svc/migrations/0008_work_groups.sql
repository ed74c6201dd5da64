create table work_member (
  group_name text not null,
  agent_id   text not null,
  slot_ms    integer not null,
  seen_at    timestamptz not null,
  constraint an_agent_is_in_a_group_once primary key (group_name, agent_id)
);
comment on table work_member is
  'Who offered tasks to which work group lately. An agent''s row is locked while its offer is counted against its limits.';
create index work_member_by_agent on work_member (agent_id);

create table work_task (
  group_name  text not null,
  slot        timestamptz not null,
  task        text not null,
  slot_ms     integer not null,
  offered_by  text not null,
  state       text not null,
  attempt     integer not null default 0,
  returned    integer not null default 0,
  holder      text,
  lease_until timestamptz,
  ack         text,
  ended_at    timestamptz,
  reason      text,
  result      text,
  constraint a_task_is_once_in_a_slot primary key (group_name, slot, task),
  constraint a_task_has_a_known_state check (state in ('offered', 'taken', 'done', 'failed', 'dropped')),
  constraint a_taken_task_has_a_holder check (state <> 'taken' or (holder is not null and lease_until is not null))
);
comment on table work_task is
  'Tasks of time slots: who has which attempt until when, and how it ended. The queue delivers; these rows decide.';
comment on column work_task.result is 'JSON as text: what a member sends need not be what jsonb takes.';
