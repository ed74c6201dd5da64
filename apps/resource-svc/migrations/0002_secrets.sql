create table resource_secret (
  ref    uuid not null,
  kind   text not null,
  id     text not null,
  path   text not null,
  sealed text not null,
  at     timestamptz not null default now(),
  constraint a_secret_has_one_row primary key (ref)
);
comment on table resource_secret is
  'Secret fields of resources, each encrypted by a key of its own that is wrapped by the key whose id it names. Events hold ref only; deleting the row makes the secret unreadable for good.';

create index resource_secret_by_resource on resource_secret (kind, id);
