/**
 * TypeScript → `dist/extension.js`, one file with what it needs; with `--tests`, the tests → `dist/tests.js`.
 *
 * Beside the extension it lays the licences of the packages that went into it, and our own.
 */

import { copyFile, readdir, readFile, rm, writeFile } from "node:fs/promises";

import { build } from "esbuild";

const tests = process.argv.includes("--tests");
const shared = { bundle: true, platform: "node", format: "cjs", target: "node20", logLevel: "warning" };

if (tests) {
  const names = (await readdir("test")).filter((name) => name.endsWith(".test.ts"));
  const contents = names.map((name) => `import "./${name}";`).join("\n");
  await build({ ...shared, stdin: { contents, resolveDir: "test" }, outfile: "dist/tests.js" });
} else {
  await rm("dist", { recursive: true, force: true });
  const { metafile } = await build({
    ...shared,
    entryPoints: ["src/extension.ts"],
    outfile: "dist/extension.js",
    external: ["vscode"],
    minify: true,
    metafile: true,
  });
  await writeFile("dist/THIRD-PARTY.txt", await licences(Object.keys(metafile.inputs)));
  for (const name of ["LICENSE", "NOTICE"]) {
    await copyFile(`../../${name}`, name);
  }
}

/** The licences of the packages that these files are from. */
async function licences(files) {
  const folders = new Set(files.map((file) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1]));
  folders.delete(undefined);
  const texts = await Promise.all(
    [...folders].sort().map(async (folder) => {
      const { name, version } = JSON.parse(await readFile(`${folder}/package.json`, "utf8"));
      const file = (await readdir(folder)).find((each) => /^licen[cs]e/i.test(each));
      if (file === undefined) {
        throw new Error(`${name} has no licence file`);
      }
      return `${name} ${version}\n\n${await readFile(`${folder}/${file}`, "utf8")}`;
    }),
  );
  return texts.join(`\n\n${"-".repeat(80)}\n\n`);
}
