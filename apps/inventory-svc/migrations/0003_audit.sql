create table kube_request (
  event_id   uuid not null,
  at         timestamptz not null,
  username   text not null,
  session    text not null,
  cluster    text not null,
  decision   text not null,
  reason     text not null,
  verb       text not null,
  api_group  text not null,
  resource   text not null,
  subresource text not null,
  namespace  text not null,
  name       text not null,
  status     int not null,
  edge       text not null,
  source_ip  text not null,
  constraint a_request_is_recorded_once primary key (event_id)
);
comment on table kube_request is 'Projection of KubeRequestAudited for searching; changed in the transaction of the event.';

create index kube_request_by_time on kube_request using brin (at);
create index kube_request_by_user on kube_request (username, at);
create index kube_request_by_cluster on kube_request (cluster, at);
