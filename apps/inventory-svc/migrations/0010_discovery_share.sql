alter table agent add column discovery jsonb;
comment on column agent.discovery is 'What a member of a discovery group looks at, as it told in its last heartbeat; null for other agents.';
