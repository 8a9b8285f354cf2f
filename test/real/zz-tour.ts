import { standinWorkspace } from "./standinWorkspace.ts";
const place = await standinWorkspace("tour", 22900);
console.log(place.root);
const show = async (
  name: string,
  what: Promise<{ code: number | null; said: any; stderr: string }>,
) => {
  const t = performance.now();
  const { code, said, stderr } = await what;
  console.log(
    `== ${name}: exit ${code} in ${((performance.now() - t) / 1000).toFixed(1)} s`,
    said.code ?? "",
    said.message ?? "",
    JSON.stringify(said.details ?? ""),
    said.next ?? "",
  );
  if (process.env.V) console.log(stderr);
  if (said.ok) {
    console.log(
      (said.steps ?? []).map((s: any) => `   ${s.name} ${s.seconds?.toFixed?.(2)}`).join("\n"),
    );
    console.log("   away", said.awaySeconds, "way", said.way, said.release);
  }
  try {
    console.log(
      "  ",
      await place.version(),
      place.revision(),
      await place.agents(),
      place.databases().join(" "),
    );
  } catch (e) {
    console.log("  ", (e as Error).message);
  }
};
try {
  await show("deploy 1.0.0", place.deploy("1.0.0"));
  await place.write("a1");
  await show("deploy 1.1.0", place.deploy("1.1.0"));
  await show("deploy 2.0.0", place.deploy("2.0.0"));
  await place.write("a2");
  await show("rollback", place.rollback());
  await show("rollback 1.0.0", place.rollback(["1.0.0"]));
  await show("deploy 3.0.0", place.deploy("3.0.0"));
  await place.write("a3");
  await show("rollback 1.0.0", place.rollback(["1.0.0"]));
  await show("deploy 4.0.0", place.deploy("4.0.0"));
  await place.write("a4");
  await show("rollback 1.0.0", place.rollback(["1.0.0"]));
  await show("rollback auto", place.rollback(["1.0.0", "--database", "auto"]));
  await show("rollback restore", place.rollback(["1.0.0", "--database", "restore"]));
  await show("deploy 4.0.0", place.deploy("4.0.0"));
  await show("rollback downgrade", place.rollback(["1.0.0", "--database", "downgrade"]));
  await show("deploy 7.0.0", place.deploy("7.0.0", [], { BAKE_SECONDS: "5" }));
  await show("deploy 6.0.0", place.deploy("6.0.0"));
  await show("deploy 5.0.0", place.deploy("5.0.0"));
} finally {
  if (!process.env.KEEP) await place.remove();
}
