const fromEnvironment = JSON.parse(process.env.DEV_SERVER ?? "{}");

module.exports = {
  mode: "development",
  entry: "./src/main.js",
  devServer: { host: "127.0.0.1", static: "./public", ...fromEnvironment },
};
