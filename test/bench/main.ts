// `npm run bench -- NAME… [SIZE=NUMBER…]`: the benchmarks by name, all of them when none is given; sizes are for those
// that know them (`derivation ports=20000 hosts=100`).
export type Sizes = Readonly<Record<string, number>>

const benchmarks: Record<string, () => Promise<{ run(sizes: Sizes): Promise<void> }>> = {
  converge: () => import('./converge.ts'),
  dataplane: () => import('./dataplane.ts'),
  derivation: () => import('./derivation.ts'),
  engine: () => import('./engine.ts'),
  groups: () => import('./groups.ts'),
  install: () => import('./install.ts'),
  ofproto: () => import('./ofproto.ts'),
  ovsdb: () => import('./ovsdb.ts'),
  punt: () => import('./punt.ts'),
  scale: () => import('./scale.ts'),
  store: () => import('./store.ts'),
}

const args = process.argv.slice(2)
const names = args.filter((arg) => !arg.includes('='))
const sizes = Object.fromEntries(
  args
    .filter((arg) => arg.includes('='))
    .map((arg) => arg.split('='))
    .map(([name = '', value]) => [name, Number(value)]),
)
for (const name of names.length > 0 ? names : Object.keys(benchmarks)) {
  const load = benchmarks[name]
  if (!load) {
    console.error(`unknown benchmark '${name}'; known: ${Object.keys(benchmarks).join(', ')}`)
    process.exit(2)
  }
  await (await load()).run(sizes)
}
