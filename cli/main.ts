import { main } from './program.ts';

// npm run goes to the repository first, and has where the person stands here (https://docs.npmjs.com/cli/v11/commands/npm-run-script).
// Going back makes a relative path of any option theirs, and one in a token command too.
if (process.env.INIT_CWD) process.chdir(process.env.INIT_CWD);

// Whoever reads only the beginning, as `head` does, has what was wanted; the work goes on to its end, and so does its exit code.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });

process.exitCode = await main(process.argv.slice(2), {
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
  colors: process.stdout.isTTY === true && !process.env.NO_COLOR,
});
