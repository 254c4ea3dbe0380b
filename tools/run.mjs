// Every npm script comes through here. It installs what is missing (npm and Debian packages), then runs the task
// with the Node 24 of node_modules. Plain JavaScript without dependencies: on a new machine nothing else is there.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const bin = join(root, 'node_modules', '.bin')
process.chdir(root)
// /usr/bin first after ours: Debian's python3 (with os-ken, ovs, mininet) must win over any other on the PATH.
process.env.PATH = [bin, '/usr/sbin', '/usr/bin', '/sbin', '/bin', process.env.PATH].join(delimiter)

/** Debian packages by need; the value is a file that the package brings, so that a check costs one stat. */
const debian = {
  oracle: {
    'openvswitch-switch': '/usr/sbin/ovs-vswitchd',
    openssl: '/usr/bin/openssl',
    iproute2: '/usr/sbin/ip',
    'iputils-ping': '/usr/bin/ping',
  },
  // Network namespaces with virtual machines in them.
  lab: {
    busybox: '/usr/bin/busybox',
    ethtool: '/usr/sbin/ethtool',
    'isc-dhcp-client': '/usr/sbin/dhclient',
    iperf3: '/usr/bin/iperf3',
    curl: '/usr/bin/curl',
    'python3-pyftpdlib': '/usr/lib/python3/dist-packages/pyftpdlib',
    'tftpd-hpa': '/usr/sbin/in.tftpd',
    traceroute: '/usr/sbin/traceroute',
    tcpdump: '/usr/bin/tcpdump',
  },
  mininet: {
    mininet: '/usr/bin/mnexec',
    psmisc: '/usr/bin/killall',
  },
  // The clients that others use with the API.
  clients: {
    'python3-openstackclient': '/usr/bin/openstack',
    'python3-openstacksdk': '/usr/lib/python3/dist-packages/openstack',
  },
  bench: {
    'openvswitch-testcontroller': '/usr/bin/ovs-testcontroller',
    'python3-os-ken': '/usr/lib/python3/dist-packages/os_ken',
    'python3-openvswitch': '/usr/lib/python3/dist-packages/ovs',
    'ovn-central': '/usr/bin/ovn-northd',
    'ovn-host': '/usr/bin/ovn-controller',
  },
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { stdio: 'inherit', ...options })
  if (result.error) {
    console.error(`cannot run ${command}: ${result.error.message}`)
    return 1
  }
  return result.status ?? 1
}

function must(command, args, options) {
  const status = run(command, args, options)
  if (status !== 0) process.exit(status)
}

function setUp(...needs) {
  const lock = readFileSync('package-lock.json', 'utf8')
  const stamp = 'node_modules/.weft-lock'
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
    console.log('installing npm packages')
    rmSync('node_modules', { recursive: true, force: true })
    // Not `npm ci`: it refuses a lock file that lacks optional packages of other platforms, which registries that hold
    // only some platforms cause. This installs what is locked, too, and leaves the lock file as it is.
    must('npm', ['install', '--no-save', '--no-audit', '--no-fund'], { stdio: ['ignore', 'ignore', 'inherit'] })
    must('node', [
      '-e',
      `require('fs').writeFileSync(${JSON.stringify(stamp)}, require('fs').readFileSync('package-lock.json'))`,
    ])
  }
  const missing = needs.flatMap((need) =>
    Object.entries(debian[need])
      .filter(([, file]) => !existsSync(file))
      .map(([name]) => name),
  )
  if (missing.length === 0) return
  console.log(`installing Debian packages: ${missing.join(' ')}`)
  const apt = process.getuid?.() === 0 ? ['apt-get'] : ['sudo', 'apt-get']
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const quiet = { env, stdio: ['ignore', 'ignore', 'inherit'] }
  must(apt[0], [...apt.slice(1), 'update', '-qq'], quiet)
  // No service is started by the installation: tests run daemons of their own.
  must(apt[0], [...apt.slice(1), 'install', '-y', '-qq', '--no-install-recommends', ...missing], quiet)
}

/** One named check: passed or failed counts in the final line like a test. */
const counts = { passed: 0, failed: 0 }
function check(name, ok) {
  counts[ok ? 'passed' : 'failed'] += 1
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${name}`)
}

function checks() {
  check('types (tsc)', run('tsc', []) === 0)
  check(
    'lint (oxlint --type-aware)',
    run('oxlint', ['--type-aware', '--deny-warnings', '--ignore-pattern', 'test/lint-canary/**']) === 0,
  )
  const canary = spawnSync('oxlint', ['test/lint-canary'], { encoding: 'utf8' })
  check('lint refuses a forbidden import (canary)', canary.status === 1 && /no-restricted-imports/.test(canary.stdout))
  check('format (oxfmt)', run('oxfmt', ['--check', '.']) === 0)
  check('unused files, exports, dependencies (knip)', run('knip', []) === 0)
  check('what is built runs (tsc, ofp-print)', buildWorks())
}

function build(folder) {
  rmSync(folder, { recursive: true, force: true })
  return run('tsc', ['-p', 'tsconfig.build.json', '--outDir', folder])
}

/** Builds apart from dist/, which bin/weft would from then on prefer to the sources, and tries what came out. */
function buildWorks() {
  const folder = 'coverage/dist'
  const built = build(folder) === 0
  const { stdout } = spawnSync('node', [`${folder}/bin/main.js`, 'ofp-print', '0405000800000007'], { encoding: 'utf8' })
  rmSync(folder, { recursive: true, force: true })
  return built && stdout === 'OFPT_FEATURES_REQUEST (OF1.3) (xid=0x7):\n'
}

/** Runs a vitest project and adds its tests to the counts; a run that reports nothing counts as one failure. */
function vitest(project, args = []) {
  const report = `coverage/${project}.json`
  rmSync(report, { force: true })
  const status = run('vitest', [
    'run',
    '--project',
    project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile=${report}`,
    ...args,
  ])
  if (!existsSync(report)) return check(`vitest ${project}`, false)
  const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(readFileSync(report, 'utf8'))
  counts.passed += numPassedTests
  counts.failed += numFailedTests
  if (status !== 0 && numFailedTests === 0)
    check(`vitest ${project} (${numFailedTestSuites} files failed to load)`, false)
}

function finish() {
  console.log(`\n${counts.passed} passed, ${counts.failed} failed`)
  process.exit(counts.failed === 0 && counts.passed > 0 ? 0 : 1)
}

const [task, ...args] = process.argv.slice(2)
const tasks = {
  setup: () => setUp('oracle', 'lab', 'mininet', 'clients', 'bench'),
  demo: () => {
    setUp('oracle', 'lab')
    must('node', ['demo/main.ts', ...args])
  },
  check: () => {
    setUp()
    checks()
    finish()
  },
  unit: () => {
    setUp()
    vitest('unit', args)
    finish()
  },
  system: () => {
    setUp('oracle', 'lab', 'mininet', 'clients')
    vitest('system', args)
    finish()
  },
  test: () => {
    setUp('oracle', 'lab', 'mininet', 'clients')
    checks()
    vitest('unit')
    vitest('system')
    finish()
  },
  format: () => {
    setUp()
    must('oxfmt', ['--write', '.'])
  },
  coverage: () => {
    setUp('oracle', 'lab', 'mininet', 'clients')
    must('vitest', ['run', '--coverage', ...args])
  },
  bench: () => {
    setUp('oracle', 'lab', 'bench')
    must('node', ['test/bench/main.ts', ...args])
  },
  fuzz: () => {
    setUp()
    must('node', ['test/fuzz/main.ts', ...args])
  },
  build: () => {
    setUp()
    process.exit(build('dist'))
  },
}
if (!Object.hasOwn(tasks, task)) {
  console.error(`unknown task '${task}'; known: ${Object.keys(tasks).join(', ')}`)
  process.exit(2)
}
tasks[task]()
