create table resource (
  kind    text not null,
  id      text not null,
  version int not null,
  doc     jsonb not null,
  secrets jsonb not null,
  expires timestamptz,
  constraint a_resource_has_one_row primary key (kind, id)
);
comment on table resource is
  'Projection: every resource that is there now, without its secrets. id is the name, or its SHA-256 where the name may be secret.';

create index resource_by_expiry on resource (expires) where expires is not null;
create index resource_by_shown_name on resource (kind, (doc -> 'metadata' ->> 'name'));
create index user_by_role on resource using gin ((doc -> 'spec' -> 'roles')) where kind = 'user';

create table resource_gone (
  kind    text not null,
  id      text not null,
  version int not null,
  at      timestamptz not null,
  constraint a_gone_resource_has_one_row primary key (kind, id)
);
comment on table resource_gone is
  'Projection: the version with which a resource was deleted last. A view needs it to remove what it may still hold.';
