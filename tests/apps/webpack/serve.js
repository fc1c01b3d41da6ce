// What `webpack serve` does with the configuration beside it.
const webpack = require("webpack");
const WebpackDevServer = require("webpack-dev-server");
const config = require("./webpack.config.js");

new WebpackDevServer(config.devServer, webpack(config)).start();
