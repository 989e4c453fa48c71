// heapwarden under PM2, and an app of yours as an example, for the user who runs PM2 (nobody else reaches its socket):
//   pm2 start deploy/pm2/ecosystem.config.cjs && pm2 save
// `pm2 startup` has both started at boot. heapwarden.yml beside this file is heapwarden's config: edit both together.
const { join } = require('node:path');

const heapwarden = join(__dirname, '../..');

module.exports = {
  apps: [
    {
      name: 'heapwarden',
      script: join(heapwarden, 'dist/cli.js'),
      args: ['serve', `--config.file=${join(__dirname, 'heapwarden.yml')}`],
      // heapwarden limits its own heap by starting itself over, which under PM2 it cannot.
      node_args: ['--max-old-space-size=256'],
      // Once: a second one would find the state folder taken, and end.
      exec_mode: 'fork',
      // A restart that is under way is seen through first, and child apps are stopped, each in its stop_timeout. PM2's
      // default of 1.6 s would cut that off.
      kill_timeout: 60_000,
      // PM2 would signal heapwarden's child apps, too, while it stops them itself, one after the other.
      treekill: false,
      restart_delay: 2_000,
      // Who watches the others must not be restarted for its own memory in the middle of their restarts.
      // max_memory_restart is therefore not set, here or below.
    },
    {
      name: 'shop', // as `pm2: shop` in heapwarden.yml
      script: '/srv/shop/server.js',
      // Cluster mode restarts without a gap: a stand-in serves while PM2 replaces the worker.
      exec_mode: 'cluster',
      instances: 2,
      // Heap, garbage collection and event loop are reported from within. As a list, since the path may hold spaces.
      node_args: ['--require', join(heapwarden, 'dist/agent/index.cjs')],
      // The app calls process.send('ready') when it listens. PM2 does not tell when it does: without this, heapwarden
      // waits listen_timeout twice for every restart.
      wait_ready: true,
      listen_timeout: 30_000,
      // From SIGINT to SIGKILL by PM2; stop_timeout in heapwarden.yml ends it too, if that is shorter.
      kill_timeout: 10_000,
      // Not max_memory_restart, nor cron_restart: PM2 would restart as well, without evidence, all workers alike, and
      // with no word to heapwarden, which takes it for a crash. The limits are in heapwarden.yml.
    },
  ],
};
