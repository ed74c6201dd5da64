create index kube_cluster_by_discovery_group on resource ((doc -> 'metadata' -> 'labels' ->> 'teleport.internal/discovery-group-name'), id)
  where kind = 'kube_cluster';

create table discovery_vanished (
  group_name text not null,
  name       text not null,
  task       text not null,
  slot       timestamptz not null,
  is_allowed boolean not null,
  is_second  boolean not null,
  constraint a_cluster_vanishes_from_a_group_once primary key (group_name, name)
);
comment on table discovery_vanished is
  'Clusters that a complete scan did not see. So many of a group may go at once (is_allowed); the rest waits for the next slot to miss them too (is_second).';
create index discovery_vanished_by_slot on discovery_vanished (group_name, slot);
