import tseslint from 'typescript-eslint';

/** Folder → the folders it may import from; the same table as in ARCHITECTURE.md, held there by a test. */
const mayImport = {
  runtime: [],
  schemas: [],
  eventlog: ['schemas', 'runtime'],
  policy: ['schemas', 'runtime'],
  native: ['runtime'],
  collector: ['native', 'eventlog', 'schemas', 'runtime'],
  enricher: ['eventlog', 'schemas', 'runtime'],
  matcher: ['policy', 'eventlog', 'schemas', 'runtime'],
  sink: ['eventlog', 'schemas', 'runtime'],
};
const folders = [...Object.keys(mayImport), 'cli', 'bench', 'test'];

const boundaries = Object.entries(mayImport).map(([folder, allowed]) => ({
  files: [`${folder}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: folders
          .filter((other) => other !== folder && !allowed.includes(other))
          .map((other) => ({
            group: [`**/${other}/**`],
            message: `${folder}/ may not import ${other}/ (ARCHITECTURE.md).`,
          })),
      },
    ],
  },
}));

/** A processor knows nothing but its records: no clock, no chance, no I/O. */
const pure = {
  files: ['policy/**/*.ts', 'matcher/**/*.ts', 'enricher/**/*.ts'],
  ignores: ['**/*-source.ts'],
  rules: {
    'no-restricted-globals': ['error', 'process', 'setTimeout', 'setInterval', 'setImmediate', 'fetch', 'performance'],
    'no-restricted-properties': ['error', { object: 'Date', property: 'now' }, { object: 'Math', property: 'random' }],
  },
};

/** The oracle of the compiled rules shares nothing with them but parser and model. */
const oracle = {
  files: ['test/policy/interpreter.ts'],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            regex: '/policy/(?!(model|act|verdict|parse)\\.ts$)',
            message: 'The interpreter shares only parser and model with the compiled rules.',
          },
        ],
      },
    ],
  },
};

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', 'native/build/**', 'schemas/generated.ts', '**/*.mjs', '*.js'] },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      eqeqeq: 'error',
    },
  },
  ...boundaries,
  pure,
  oracle,
);
