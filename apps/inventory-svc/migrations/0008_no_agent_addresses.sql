-- Agents listen nowhere: edges reach them through the tunnels that they open.
alter table agent drop column address;
alter table served_report drop column address;
