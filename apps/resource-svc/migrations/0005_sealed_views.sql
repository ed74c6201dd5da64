create sequence view_generation as integer;
create sequence view_epoch as integer;

alter table view add column generation integer not null default nextval('view_generation');
comment on column view.generation is
  'Under which number the entries of the view lie on the bus. Numbers never come again, whatever a crash brings back is in an old one.';
update view set filled_at = null;

create table view_key (
  hash   text not null,
  epoch  integer not null,
  sealed text not null,
  constraint a_view_has_one_key_per_epoch primary key (hash, epoch),
  constraint a_key_is_of_an_open_view foreign key (hash) references view (hash) on delete cascade
);
comment on table view_key is
  'Keys of views with secrets, sealed by the key whose id they name. Entries are sealed with the highest epoch; lower ones go when nothing is sealed with them any more.';

create table view_key_holder (
  hash     text not null,
  epoch    integer not null,
  agent_id text not null,
  constraint an_agent_holds_a_key_once primary key (hash, epoch, agent_id),
  constraint a_holder_holds_a_key foreign key (hash, epoch) references view_key (hash, epoch) on delete cascade
);
comment on table view_key_holder is
  'Which agent was given which key of a view, written before it is given. When one that holds the last key no longer reads the view, the next epoch begins.';

create table view_garbage (
  hash       text not null,
  generation integer not null,
  due        timestamptz not null,
  purged_at  timestamptz,
  constraint a_generation_is_garbage_once primary key (hash, generation)
);
comment on table view_garbage is
  'Generations of views that nobody reads any more: purged from the bus when due, and again for a day after each crash of it, which may bring them back.';

alter table agent_roles add column revoked_at timestamptz;
comment on table agent_roles is
  'System roles of joined agents and services, from AgentJoined or from the certificate that an agent shows: they decide which kinds of resource a view may show them. A revoked agent is shown nothing that is not for everybody.';
