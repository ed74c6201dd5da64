create table resource_change (
  event_id uuid not null,
  kind     text not null,
  id       text not null,
  version  int not null,
  name     text not null,
  by_user  text not null,
  at       timestamptz not null,
  constraint a_change_has_one_row primary key (event_id)
);
comment on table resource_change is
  'Projection: every change of every resource, for lists of many. What changed is in the events.';
comment on column resource_change.name is 'As it is shown, masked where it is secret; empty for a deletion.';
comment on column resource_change.by_user is 'The user whose rights it was done with; empty where the cluster did it by itself.';

create index resource_change_by_time on resource_change (at, event_id);
create index resource_change_by_kind on resource_change (kind, at, event_id);
create index resource_change_by_user on resource_change (by_user, at, event_id);
create index resource_change_by_name on resource_change (kind, name) where name like '*%';
