/** Suites that load eBPF programs or start engines and containers: serial, each file in a process of its own. */
export default {
  typescript: { rewritePaths: { 'test/': 'dist/test/' }, compile: false },
  files: ['test/flow/**/*.test.ts', 'test/chaos/**/*.test.ts'],
  nodeArguments: ['--enable-source-maps'],
  workerThreads: false,
  concurrency: 1,
  timeout: '4m',
};
