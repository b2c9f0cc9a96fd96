/** The unit suite: no root, no services, files in parallel. Suites that need more have a configuration of their own. */
export default {
  typescript: { rewritePaths: { 'test/': 'dist/test/' }, compile: false },
  files: ['test/**/*.test.ts', '!test/kernel/**', '!test/engine/**', '!test/flow/**'],
  nodeArguments: ['--enable-source-maps'],
  timeout: '2m',
};
