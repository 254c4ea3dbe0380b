// ovs-ofctl as an oracle: what it prints for texts and bytes, and which bytes it makes of a text. No switch is needed.
import { spawnSync } from 'node:child_process'

/** What it prints, a character for each byte; throws with its errors where it fails. */
export function ofctl(args: readonly string[], input: string | Uint8Array = ''): string {
  const { status, stdout, stderr } = spawnSync('ovs-ofctl', args, { input, encoding: 'latin1', maxBuffer: 1 << 30 })
  if (status !== 0) throw new Error(`ovs-ofctl ${args.join(' ')}: ${stderr.slice(-500)}`)
  return stdout
}

interface Parsed {
  /** As it prints the flow_mod. */
  readonly text: string
  readonly bytes: Uint8Array
}

/** The flow_mods of OpenFlow 1.3 that it makes of flows, one a line. */
export function parseFlows(lines: readonly string[]): readonly Parsed[] {
  // At verbosity 5 every message is followed by a hex dump of its bytes.
  const out = ofctl(['-mmmmm', '-O', 'OpenFlow13', 'parse-flows', '-'], `${lines.join('\n')}\n`)
  return out
    .split(/^(?=OFPT_FLOW_MOD)/m)
    .slice(1)
    .map((block) => {
      const [text = '', ...dump] = block.split('\n')
      const hex = dump.map((row) => row.slice(10, 58).replaceAll(/[ -]/g, '')).join('')
      return { text, bytes: Uint8Array.from(Buffer.from(hex, 'hex')) }
    })
}
