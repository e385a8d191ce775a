//! redis-server and PostgreSQL as child processes: started, replicated with a lag, killed and promoted for real.
