/** Suites that load eBPF programs or start engines and containers: serial, each file in a process of its own. */
export default {
  typescript: { rewritePaths: { 'test/': 'dist/test/' }, compile: false },
  files: ['test/kernel/**/*.test.ts'],
  nodeArguments: ['--enable-source-maps'],
  workerThreads: false,
  concurrency: 1,
  // Without any test's end; for a machine that is busy with much else. Waits of the tests are shorter and say what for.
  timeout: '15m',
};
