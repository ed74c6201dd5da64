alter table agent
  add column clock_offset_ms bigint,
  add column last_error      text,
  add column last_error_at   timestamptz;
comment on column agent.clock_offset_ms is 'How far the clock of the agent was ahead when its last heartbeat arrived; null where it does not say.';
comment on column agent.last_error is 'What the agent last logged as a warning or an error in its present run; null where there was nothing.';
