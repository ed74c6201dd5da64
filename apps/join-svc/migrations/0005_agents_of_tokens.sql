-- For locks on tokens: which agents joined by one.
create index es_event_agent_token on es_event ((data->>'tokenId'), stream_id) where type = 'AgentJoined';
