import pg from 'pg';

// Another process, as an accident would be: sees a row in a state and kills everything that runs the platform.
// node killer.ts SOCKET_FOLDER QUERY PID…
const [socketFolder = '', query = '', ...pids] = process.argv.slice(2);
const client = new pg.Client({ host: socketFolder, user: 'certctl_owner', database: 'certctl' });
await client.connect();
for (;;) {
  const { rows } = await client.query({ name: 'watch', text: query });
  if (rows.length > 0) break;
}
for (const pid of pids) {
  try {
    process.kill(Number(pid), 'SIGKILL');
  } catch {
    // Gone with another.
  }
}
process.exit(0);
