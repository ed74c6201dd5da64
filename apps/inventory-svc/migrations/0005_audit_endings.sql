alter table kube_request
  add column outcome     text not null default 'known',
  add column is_stream   boolean not null default false,
  add column duration_ms double precision not null default 0,
  add column bytes_in    bigint not null default 0,
  add column bytes_out   bigint not null default 0;

create table kube_ending (
  event_id    uuid not null,
  request_id  text not null,
  edge        text not null,
  at          timestamptz not null,
  ended_by    text not null,
  reason      text not null,
  duration_ms double precision not null,
  bytes_in    bigint not null,
  bytes_out   bigint not null,
  constraint an_ending_is_recorded_once primary key (event_id)
);
comment on table kube_ending is 'Projection of KubeStreamEnded and KubeSessionEnded: how what a request began came to its end.';

create index kube_ending_by_request on kube_ending (request_id);
