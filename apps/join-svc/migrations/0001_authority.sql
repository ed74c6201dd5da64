create table authority (
  use text not null,
  cluster_name text not null,
  pin text not null,
  certificate text not null,
  sealed_key text not null,
  created_at timestamptz not null default now(),
  constraint one_authority_of_each_use primary key (use),
  constraint a_use_is_host_or_user check (use in ('host', 'user'))
);
comment on table authority is
  'Certificate authorities. The private key is sealed with the key encryption key of POSTERN_KEY_FILE; it is nowhere else.';
