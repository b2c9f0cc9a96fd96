/** The unit suite: no root, no services, files in parallel. Suites that need more have a configuration of their own. */
export default {
  typescript: { rewritePaths: { 'test/': 'dist/test/' }, compile: false },
  files: ['test/**/*.test.ts', '!test/kernel/**', '!test/engine/**', '!test/flow/**', '!test/kafka/**'],
  nodeArguments: ['--enable-source-maps'],
  // Without any test's end; for a machine that is busy with much else. Waits of the tests are shorter and say what for.
  timeout: '10m',
};
