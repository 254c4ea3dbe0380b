// What the client's own help says that there is: commands, and the options of each.
import { openstack } from './client.ts'

/** The words that a command begins with, and its options. */
export interface HelpPage {
  readonly command: string
  readonly options: readonly string[]
}

/** The commands whose names begin with these words. */
async function commandsOf(topics: readonly string[]): Promise<readonly string[]> {
  const pages = await openstack(
    [],
    topics.map((topic) => ({ arguments: ['help', ...topic.split(' ')] })),
  )
  return pages.flatMap(({ out }) => Array.from(out.matchAll(/^ {2}(\w.*)$/gm), ([, command = '']) => command.trim()))
}

/** Those of the section `options`: what all commands have for the output stands in others. */
function optionsOf(page: string): string[] {
  const [, section = ''] = /^opti\w+:\n(.*?)(?:\n\n\S|$(?![\s\S]))/ms.exec(page) ?? []
  const heads = section.split('\n').filter((line) => /^ {2}-/.test(line))
  const found = heads.flatMap((line) => Array.from(line.matchAll(/(?:^ {2}|, )(--[\w-]+)/g), ([, name = '']) => name))
  return found.filter((name) => name !== '--help')
}

export async function readHelp(topics: readonly string[]): Promise<readonly HelpPage[]> {
  const commands = await commandsOf(topics)
  const pages = await openstack(
    [],
    commands.map((command) => ({ arguments: ['help', ...command.split(' ')] })),
  )
  return commands.map((command, i) => ({ command, options: optionsOf(pages[i]?.out ?? '') }))
}
