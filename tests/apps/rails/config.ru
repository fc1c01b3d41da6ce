# A Rails application in one file, with the settings of `rails new` that say who may call: config.hosts, and forms
# protected by token and Origin.
require "action_controller/railtie"

class App < Rails::Application
  config.root = __dir__
  config.load_defaults 6.1
  config.eager_load = false
  config.consider_all_requests_local = true
  config.secret_key_base = "for tests only"
  config.logger = Logger.new($stderr)
  config.hosts << ENV["ALLOWED_HOST"] if ENV["ALLOWED_HOST"]
end

class NotesController < ActionController::Base
  protect_from_forgery with: :exception

  def show
    render inline: <<~HTML
      <!doctype html>
      <title>Notes</title>
      <%= form_with url: "/notes" do |form| %>
        <%= form.text_field :text %>
        <%= form.submit "Save" %>
      <% end %>
    HTML
  end

  def create
    redirect_to "/?saved=#{ERB::Util.url_encode(params[:text])}"
  end
end

App.initialize!
App.routes.draw do
  root to: "notes#show"
  post "/notes", to: "notes#create"
end

run App
