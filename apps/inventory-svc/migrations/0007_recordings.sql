create table recording (
  session_id     uuid not null,
  edge           text not null,
  username       text not null,
  cluster        text not null,
  started_at     timestamptz not null,
  head           jsonb not null,
  command        text not null,
  bytes          bigint not null,
  sha256         text not null,
  is_complete    boolean not null,
  received_bytes bigint not null default 0,
  content        oid,
  stored_at      timestamptz,
  constraint a_session_has_one_recording primary key (session_id)
);
comment on table recording is 'Recordings of sessions, and how far their upload is. What was stored is said by KubeSessionRecorded; the content is a large object, or lies in the directory that is configured.';

create index recording_by_start on recording (started_at, session_id) where stored_at is not null;
create index recording_by_user on recording (username, started_at) where stored_at is not null;
