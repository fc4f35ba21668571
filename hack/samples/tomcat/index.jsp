<%@ page contentType="text/plain; charset=utf-8" trimDirectiveWhitespaces="true" %>
<%-- The sample application of the platform tomcat; Tomcat compiles this page when it is first asked for.
--%>Hello from Beanpod, in Tomcat <%= application.getServerInfo().replaceAll("[^0-9]*([0-9.]+).*", "$1") %> with Java <%= System.getProperty("java.version") %>
