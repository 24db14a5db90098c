from django.urls import path

from shop import views

urlpatterns = [
    path("", views.home),
    path("orders", views.order),
    path("someone-else", views.someone_else),
]
