import { PassThrough } from 'node:stream';
import test from 'ava';
import { createLogger, type LoggerOptions } from '../../runtime/logger.ts';

function lines(options: Omit<LoggerOptions, 'destination'>, message: string): string {
  const destination = new PassThrough();
  createLogger({ ...options, destination }).info({ path: '/tmp/\u001b[2J' }, message);
  return String(destination.read() ?? '');
}

test('a line is JSON with a level, a time and its facts', (t) => {
  const line = JSON.parse(lines({ level: 'info' }, 'a policy was loaded')) as Record<string, unknown>;
  t.like(line, { level: 30, msg: 'a policy was loaded', path: '/tmp/\u001b[2J' });
  t.regex(String(line['time']), /^\d{4}-\d\d-\d\dT/u);
});

test('lines for people carry no terminal escape of somebody else, in JSON or not', (t) => {
  for (const pretty of [true, false]) {
    const text = lines({ level: 'info', pretty }, 'opened \u001b[31mred\nforged line');
    t.false(text.includes('\u001b'), JSON.stringify(text));
    t.false(text.includes('\nforged'), JSON.stringify(text));
  }
});

test('what JSON leaves unescaped and terminals obey is escaped in every field, an error included', (t) => {
  for (const pretty of [true, false]) {
    const destination = new PassThrough();
    const name = 'a\u009b2J\u202egpj.exe\u2028\u007f';
    const logger = createLogger({ level: 'info', destination, pretty });
    logger.error({ err: new Error(name), [name]: name, list: [name] }, name);
    const text = String(destination.read());
    t.notRegex(text, /[\u007f-\u009f\u2028\u202e]/u);
    if (!pretty) t.like(JSON.parse(text), { msg: name, list: [name], err: { message: name } });
  }
});

test('what is below the level is not written', (t) => {
  t.is(lines({ level: 'warn' }, 'nobody asked'), '');
});
