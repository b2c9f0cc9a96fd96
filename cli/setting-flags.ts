import { Option, type Command } from 'commander';
import { flagOf, type SettingSchema } from './config.ts';
import { parseFile } from './name-arguments.ts';

/** What settings mean to one command, where that is not what they mean to all. */
export type SettingMeanings = Readonly<Partial<Record<string, string>>>;

/** Makes every setting of `schema` a flag of the command, except what is secret, and adds `--config`. */
export function withSettings(command: Command, schema: SettingSchema, meanings: SettingMeanings = {}): Command {
  for (const [key, setting] of Object.entries(schema)) {
    const meta = setting.meta() as {
      readonly description: string;
      readonly default: string;
      readonly secret?: boolean;
    };
    if (meta.secret === true) continue;
    const value = key === 'policies' ? '<path...>' : `<${flagOf(key).slice(2)}>`;
    const text = `${meta.description} Default: ${meta.default}.`.replaceAll('`', '');
    command.addOption(new Option(`${flagOf(key)} ${value}`, meanings[key] ?? text).helpGroup('Settings:'));
  }
  return command.addOption(
    new Option('--config <file>', 'A YAML file of settings.').argParser(parseFile).helpGroup('Settings:'),
  );
}
