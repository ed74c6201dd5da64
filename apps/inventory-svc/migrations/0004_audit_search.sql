alter table kube_request add column request_id text not null default '';
comment on column kube_request.request_id is 'Id that the edge gave the request and told the client. Not unique: an edge that repeats one must not hold up the others.';

create index kube_request_by_id on kube_request (request_id);
create index kube_request_by_age on kube_request (at, event_id);
drop index kube_request_by_time;
