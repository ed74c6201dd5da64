create table used_proof (
  proof text not null,
  agent_id text not null,
  ends_at timestamptz,
  constraint a_proof_makes_one_agent primary key (proof)
);
create index used_proof_ends_at on used_proof (ends_at);
comment on table used_proof is
  'Challenges and other proofs that are good for one agent, until they would not be accepted any more; null is for ever.';
